"""What every subject's store stands on: engines, columns, tables, the one writer, migrations."""
