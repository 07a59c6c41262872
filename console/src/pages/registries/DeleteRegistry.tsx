/** Deleting a registry: first what would break, by workload, then the plan. */
import { Modal, ModalBody, ModalHeader } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { pathOf, send } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Go, here } from '../../parts/Go'
import { Wrong } from '../../parts/Wrong'
import { counted, useOverview, type RegistryDocument, type Used } from './model'

/** Accesses of one request, and of one deletion: a plan has 20,000 documents at most. */
const PAGE = 500
const MOST = 10_000

interface Uses {
  metadata: { total: number; counts: Used }
  items: { environment: string; namespace: string; owner: string; image: string }[]
}

/** The workloads that run a registry's images, as far as the reader may see them. */
export function useUses(name: string, limit = 20) {
  return useQuery({
    queryKey: ['registry', name, 'uses', limit],
    queryFn: () => send<Uses>(pathOf('registries', name, 'uses'), { query: { limit } }),
  })
}

/** Everything that grants the registry by itself: with it, its grants go. */
function useAccesses(name: string) {
  return useQuery({
    queryKey: ['registry', name, 'accesses'],
    queryFn: async () => {
      const found: Document[] = []
      let cursor: string | undefined
      do {
        const page: List<Document> = await send<List<Document>>('/api/v1/access', { query: { registry: name, limit: PAGE, cursor } })
        found.push(...page.items)
        cursor = page.metadata.continue
      } while (cursor && found.length < MOST)
      return found
    },
    staleTime: 0,
    gcTime: 0,
  })
}

export function DeleteRegistry({ name, onClose, onDone }: { name: string; onClose: () => void; onDone: () => void }) {
  const { data, error } = useQuery({
    queryKey: ['registry', name, 'document'],
    queryFn: () => send<RegistryDocument>(pathOf('registries', name)),
    staleTime: 0,
  })
  const { data: uses } = useUses(name)
  const { data: accesses, error: unseen } = useAccesses(name)
  const { data: overview } = useOverview(name)
  const policies = [...new Set(overview?.grantedIn.filter((one) => one.kind === 'RegistryPolicy').map((one) => one.name))]
  const wrong = error ?? unseen
  if (wrong) {
    return (
      <Modal isOpen onClose={onClose} variant="medium" aria-label={`Delete the registry ${name}`}>
        <ModalHeader title={`Delete the registry ${name}`} />
        <ModalBody>
          <Wrong error={wrong} />
        </ModalBody>
      </Modal>
    )
  }
  if (!data || !accesses) return null
  const removal = ({ kind, metadata, status }: Document) => ({ kind, name: metadata.name, ...(status?.etag ? { etag: status.etag } : {}) })
  return (
    <ConfirmChange
      title={`Delete the registry ${name}`}
      // Its accesses go first: a grant of what is not there would be refused.
      change={{ delete: [...accesses.map(removal), removal(data as unknown as Document)] }}
      verb="Delete"
      danger
      done={`Deleted ${name}`}
      onDone={onDone}
      onClose={onClose}
      more={(plan) => (
        <>
          {policies.length ? (
            <p>
              {counted(policies.length, 'policy grants', 'policies grant')} it, too:{' '}
              {policies.map((policy, index) => (
                <span key={policy}>
                  {index ? ', ' : ''}
                  <Go to={here('policies', policy)}>{policy}</Go>
                </span>
              ))}
              . Take it out there first.
            </p>
          ) : null}
          {/* The plan lists them itself where it knows of any. */}
          {uses && uses.metadata.counts.workloads && !plan.uses.length ? (
            <p>
              {counted(uses.metadata.counts.workloads, 'workload runs', 'workloads run')} images from it in{' '}
              {counted(uses.metadata.counts.environments, 'environment')}. Without its credential they may not be pulled again when they
              are scheduled anew.
            </p>
          ) : null}
        </>
      )}
    />
  )
}
