"""The pages, by form and by browser."""
