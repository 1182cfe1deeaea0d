"""What hooks and TensorFlow-1 code expect of a session, without one."""
