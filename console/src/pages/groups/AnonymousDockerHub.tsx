/** Docker Hub without signing in: in which tiers it may be chosen. It is changed where registries are. */
import { Card, CardBody, CardTitle } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { send } from '../../api/client'
import type { Document } from '../../api/documents'
import { useMay } from '../../api/session'
import { Go } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'

export function AnonymousDockerHub() {
  const may = useMay('settings', 'read')
  const { data, error } = useQuery({
    queryKey: ['settings'],
    queryFn: () => send<Document<{ hideAnonymousDockerHub?: boolean }>>('/api/v1/settings'),
    enabled: may.allowed,
  })
  const hidden = data?.spec.hideAnonymousDockerHub ?? false
  return (
    <Card component="section" aria-label="Docker Hub without signing in">
      <CardTitle component="h2">Docker Hub without signing in</CardTitle>
      <CardBody>
        {error ? <Wrong error={error} /> : null}
        <p>
          Groups of staging and production: <StateLabel look="good">hidden</StateLabel> Groups of development:{' '}
          {data ? (
            <StateLabel look={hidden ? 'good' : 'warning'}>{hidden ? 'hidden' : 'may be chosen'}</StateLabel>
          ) : (
            <StateLabel look="unknown">{may.allowed ? 'not known' : may.who}</StateLabel>
          )}{' '}
          <Go to="/registries">Change it among the registries</Go>
        </p>
        <p className="fresh">
          Hiding counts where somebody deploys through Portreeve. What kubectl or a GitOps tool sends is judged by the policy at admission, and what the network
          lets through by the firewall: close both as well.
        </p>
      </CardBody>
    </Card>
  )
}
