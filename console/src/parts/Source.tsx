/** Where a list of a registry comes from: its own, or, where it lists none, what clusters run. */
import { Alert } from '@patternfly/react-core'

import type { List } from '../api/documents'

export function Source({ list }: { list: List<unknown> }) {
  const { source, note } = list.metadata as { source?: string; note?: string }
  if (source === 'inventory') {
    return (
      <Alert variant="info" isInline title="This registry has no catalog; showing what your clusters use">
        {note}
      </Alert>
    )
  }
  return note ? <p className="fresh">{note}</p> : null
}
