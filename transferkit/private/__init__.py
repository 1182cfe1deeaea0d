"""What transferkit uses of TensorFlow and Keras that has no public name; nothing of it stands anywhere else.

``tensorflow_names`` has the names below ``tensorflow.python``, ``tensorflow_attributes`` what is read of
objects by attributes that begin with an underscore, ``keras_names`` both for Keras. Each says why it is there
and since which version; ``tests/private/`` has a canary for each, which fails first where a newer
version differs.
"""
