"""What a person installs on their own machine: client, command line, embedded stack."""
