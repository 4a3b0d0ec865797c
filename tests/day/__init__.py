"""A day of a studio, looked after with ``atelier admin``; ``python -m tests.day`` lives one."""
