/** Docker Hub without signing in: in which tiers it may be chosen, and hiding it everywhere. */
import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { send } from '../../api/client'
import { fresh, type Document } from '../../api/documents'
import { useMay } from '../../api/session'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { StateLabel } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'

interface PlatformSpec {
  hideAnonymousDockerHub?: boolean
  [more: string]: unknown
}

export function AnonymousDockerHub() {
  const mayRead = useMay('settings', 'read')
  const mayChange = useMay('settings', 'update')
  const { data, error } = useQuery({
    queryKey: ['settings'],
    queryFn: () => send<Document<PlatformSpec>>('/api/v1/settings'),
    enabled: mayRead.allowed,
  })
  const [open, set] = useState(false)
  const hidden = data?.spec.hideAnonymousDockerHub ?? false
  const verb = hidden ? 'Show it in development' : 'Hide it everywhere'
  const settings = data ?? fresh<PlatformSpec>('Settings', 'platform', {})
  return (
    <Card component="section" aria-label="Docker Hub without signing in">
      <CardTitle component="h2">Docker Hub without signing in</CardTitle>
      <CardBody>
        {error ? <Wrong error={error} /> : null}
        <p>
          Staging and production: <StateLabel look="good">Hidden</StateLabel>. Development:{' '}
          {mayRead.allowed ? (
            <StateLabel look={hidden ? 'good' : 'warning'}>{data ? (hidden ? 'Hidden' : 'May be chosen') : 'not known'}</StateLabel>
          ) : (
            <StateLabel look="unknown">{mayRead.who}</StateLabel>
          )}
        </p>
        <p className="fresh">
          Hiding counts where somebody deploys through Portreeve. What kubectl or a GitOps tool sends is judged by the policy at admission, and what the network lets
          through by the firewall: close both as well.
        </p>
        {mayChange.allowed && data ? (
          <Button variant="secondary" onClick={() => set(true)}>
            {verb}
          </Button>
        ) : null}
        {open ? (
          <ConfirmChange
            title={hidden ? 'Show Docker Hub without signing in, in development' : 'Hide Docker Hub without signing in everywhere'}
            change={{ documents: [{ ...settings, spec: { ...settings.spec, hideAnonymousDockerHub: !hidden } }] }}
            verb={verb}
            done={hidden ? 'Docker Hub without signing in may be chosen in development' : 'Docker Hub without signing in is hidden everywhere'}
            onDone={() => set(false)}
            onClose={() => set(false)}
          />
        ) : null}
      </CardBody>
    </Card>
  )
}
