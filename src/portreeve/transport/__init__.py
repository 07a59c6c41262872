"""An edge: requests over HTTP. The only room that knows the HTTP library."""
