"""Records of files as they came: Parquet, CSV or JSON lines, each record a row or a reject, in any type."""
