"""Sign-in for web services: framework-free steps, routes for each framework, and the browser client."""
