/** What the reader may pull from here: registries that are granted to them, with namespaces and lifetime. */
import { Card, CardBody, CardTitle } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { pathOf, send } from '../../api/client'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'

interface Choice {
  registry: string
  prefix: string
  namespaces?: string[]
  mode?: string
  grant?: string
  expiresAt?: string | null
  enforcedBy: string
}

/** No registry of anybody's: Docker Hub without signing in. */
const ANONYMOUS = 'docker-hub-anonymous'
const SHOWN = 50
const NAMED = 5

export function Usable({ name }: { name: string }) {
  const { data, error } = useQuery({
    queryKey: ['usable', name],
    queryFn: () => send<{ items: Choice[] }>(`${pathOf('environments', name)}/registries`),
  })
  return (
    <Card component="section" aria-label="What you may use here">
      <CardTitle component="h2">What you may use here</CardTitle>
      <CardBody>
        {error ? <Wrong error={error} /> : null}
        {data && !data.items.length ? <p>No registry is granted to you here. Whoever administers the environment grants one.</p> : null}
        <ul className="plan">
          {data?.items.slice(0, SHOWN).map((one) => (
            <li key={one.registry}>
              {one.registry === ANONYMOUS ? (
                <>
                  Docker Hub without signing in <StateLabel look="warning">not hidden here</StateLabel>
                </>
              ) : (
                <>
                  <Go to={here('registries', one.registry)}>{one.registry}</Go> <code>{one.prefix}</code>
                  <div className="fresh">
                    {(one.namespaces ?? []).slice(0, NAMED).join(', ') || 'the whole environment'}
                    {(one.namespaces?.length ?? 0) > NAMED ? ` and ${(one.namespaces?.length ?? 0) - NAMED} more` : ''}, {one.mode}, by {one.grant}
                    {one.expiresAt ? (
                      <>
                        , ends <When at={one.expiresAt} />
                      </>
                    ) : null}
                  </div>
                </>
              )}
            </li>
          ))}
        </ul>
        {data && data.items.length > SHOWN ? <p>and {data.items.length - SHOWN} more</p> : null}
      </CardBody>
    </Card>
  )
}
