"""The application: command line, configuration, composition root, HTTP surface."""
