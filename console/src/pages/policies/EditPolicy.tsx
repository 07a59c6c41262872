/** The form of a policy that is stored. */
import { Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useEffect, useState } from 'react'

import { pathOf, send } from '../../api/client'
import { titleOf } from '../../api/documents'
import { here, useGo } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { Wrong } from '../../parts/Wrong'
import { draftOf, type Draft, type PolicyDocument } from './draft'
import { PolicyForm } from './PolicyForm'

/** A stored policy. */
export function usePolicy(name: string) {
  return useQuery({
    queryKey: ['document', 'policies', name],
    queryFn: () => send<PolicyDocument>(pathOf('policies', name)),
    retry: false,
  })
}

export function EditPolicy() {
  const { name = '' } = useParams({ strict: false })
  const { data, error, refetch } = usePolicy(name)
  const [draft, setDraft] = useState<Draft | null>(null)
  const go = useGo()
  // Read once: what is typed is not lost to a refetch, and what somebody else changed meanwhile refuses the plan.
  useEffect(() => {
    if (data && draft === null) setDraft(draftOf(data, true))
  }, [data])
  const back = () => go(here('policies', name))
  return (
    <Page
      title={`Edit ${data ? titleOf(data) : name}`}
      above={[
        { title: 'Policies', to: '/policies' },
        { title: data ? titleOf(data) : name, to: here('policies', name) },
      ]}
    >
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {draft ? (
        <PolicyForm draft={draft} change={(update) => setDraft((before) => (before ? update(before) : before))} filling="none" onStored={back} onCancel={back} />
      ) : error ? null : (
        <p role="status">
          <Spinner size="md" aria-label="Loading" /> Reading the policy…
        </p>
      )}
    </Page>
  )
}
