/** Deleting a registry: first what would break, by workload, then the plan. */
import { useQuery } from '@tanstack/react-query'

import { pathOf, send } from '../../api/client'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { counted, type RegistryDocument, type Used } from './model'

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

export function DeleteRegistry({ name, onClose, onDone }: { name: string; onClose: () => void; onDone: () => void }) {
  const { data } = useQuery({
    queryKey: ['registry', name, 'document'],
    queryFn: () => send<RegistryDocument>(pathOf('registries', name)),
  })
  const { data: uses } = useUses(name)
  const etag = data?.status?.etag
  return (
    <ConfirmChange
      title={`Delete the registry ${name}`}
      change={{ delete: [{ kind: 'Registry', name, ...(etag ? { etag } : {}) }] }}
      verb="Delete"
      danger
      done={`Deleted ${name}`}
      onDone={onDone}
      onClose={onClose}
      more={(plan) =>
        // The plan lists them itself where it knows of any.
        uses && uses.metadata.counts.workloads && !plan.uses.length ? (
          <p>
            {counted(uses.metadata.counts.workloads, 'workload runs', 'workloads run')} images from it in{' '}
            {counted(uses.metadata.counts.environments, 'environment')}. Without its credential they may not be pulled again when they
            are scheduled anew.
          </p>
        ) : null
      }
    />
  )
}
