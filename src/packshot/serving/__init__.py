"""The tritonserver launcher and the code behind the Python-backend models."""
