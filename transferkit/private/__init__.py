"""What transferkit uses of TensorFlow, Keras and KerasHub without a public name; nothing of it is elsewhere.

``tensorflow_names`` has the names below ``tensorflow.python``, ``tensorflow_attributes`` what is read of
objects by attributes that begin with an underscore, ``keras_names`` both for Keras, ``keras_hub_names`` what
is read of KerasHub. Each says why it is there and since which version; ``tests/private/`` has a canary for
each, which fails first where a newer version differs.
"""
