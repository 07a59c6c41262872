"""A subject: the audit log. `journal` appends in the transaction of the change; the rest reads, signs and exports."""
