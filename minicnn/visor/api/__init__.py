"""What the page asks for, a file for each subject; each has its ROUTES."""
