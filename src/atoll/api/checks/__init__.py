"""What `validate()` looks at: one file a subject, each a few small functions that yield issues."""
