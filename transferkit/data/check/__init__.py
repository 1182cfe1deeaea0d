"""Whether the data is sound: what is wrong with which file, found before it costs a training."""
