"""The answers to the page, a file for each subject; each has its ROUTES."""
