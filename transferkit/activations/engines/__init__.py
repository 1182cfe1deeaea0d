"""What runs a frozen prefix: TensorFlow, OpenVINO or accelerators, whichever is fastest and agrees."""
