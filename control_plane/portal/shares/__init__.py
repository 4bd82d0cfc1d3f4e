"""Share links: the dialog of a class, and the page that a link opens."""
