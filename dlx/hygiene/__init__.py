"""Whether data can be trusted: duplicates, leaks, shift, and what simple answers reach. Functions of arrays."""
