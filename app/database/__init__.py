"""PostgreSQL, asked directly: the pool, the schema and its migrations."""
