"""One script for each version; a script is never changed once it has been released."""
