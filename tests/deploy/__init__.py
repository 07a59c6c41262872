"""What is deployed: the chart, what it renders to, and what a real API server makes of that."""
