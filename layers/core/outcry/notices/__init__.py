"""What people should know: a notice is a row first, and is told through channels afterwards."""
