"""What a job is: its states, its tables, its way from asked to done. No Flask, no torch."""
