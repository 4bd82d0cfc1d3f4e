"""Programs for development and demonstration. Not in the wheel, and imported by no product package."""
