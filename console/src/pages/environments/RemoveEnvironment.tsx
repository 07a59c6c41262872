/** Removing an environment, with the accesses that name it: what goes, in which order, and what that does to what runs. */
import { Modal, ModalBody, ModalHeader } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { send } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Wrong } from '../../parts/Wrong'
import type { Environment } from './environment'

const MOST = '500'

export function RemoveEnvironment(props: { environment: Environment; onDone: () => void; onClose: () => void }) {
  const { name } = props.environment.metadata
  const { status } = props.environment
  // What is granted in it names it, so it goes in the same plan: first the grants, then the environment.
  const { data, error } = useQuery({
    queryKey: ['accesses-of', name],
    queryFn: () => send<List<Document>>('/api/v1/access', { query: { environment: name, limit: MOST } }),
    gcTime: 0,
  })
  const title = `Remove the environment ${name}`
  if (!data) {
    return (
      <Modal isOpen onClose={props.onClose} variant="large" aria-label={title}>
        <ModalHeader title={title} />
        <ModalBody>{error ? <Wrong error={error} /> : <p role="status">Looking for what is granted there…</p>}</ModalBody>
      </Modal>
    )
  }
  const enrolled = Boolean(status?.agent && status.agent.state !== 'none')
  const accesses = data.items.map((one) => ({ kind: 'RegistryAccess', name: one.metadata.name, etag: one.status?.etag }))
  return (
    <ConfirmChange
      title={title}
      change={{ delete: [...accesses, { kind: 'Environment', name, etag: status?.etag }] }}
      verb="Remove"
      danger
      done={enrolled ? `${name} is leaving` : `Removed ${name}`}
      onDone={props.onDone}
      onClose={props.onClose}
      more={() => (
        <p>
          {enrolled
            ? 'Its agent removes every pull secret, every entry in ServiceAccounts and the admission policy first. Until it has said so the environment is shown as leaving, be the cluster away for weeks. Pods that run go on; new pulls from private registries fail.'
            : 'No agent was ever enrolled, so there is nothing of ours in it.'}
        </p>
      )}
    />
  )
}
