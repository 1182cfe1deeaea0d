"""A server for one export: TensorFlow Serving's REST requests, a page to try the model, metrics, health.

Starlette and uvicorn (``transferkit[serve]``) carry HTTP; here stand what a request may say, how photos
become pixels within limits, and how requests that come together share one pass through the network.
"""
