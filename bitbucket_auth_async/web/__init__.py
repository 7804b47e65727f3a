"""People sign in: the steps without a framework, the routes for each framework, and the browser client."""
