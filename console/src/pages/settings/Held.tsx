/** Sessions and tokens as tables; of oneself, or of another whom one administers. */
import { Button } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import { ConfirmCall } from '../../parts/ConfirmCall'
import { When } from '../../parts/Fresh'
import { command } from '../../parts/shell'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { Wrong } from '../../parts/Wrong'
import { scopeOf, WAYS, type Session, type Token } from './account'

/** `base` is "/api/v1/me" or the path of a user. */
export function Sessions({ base, own = false }: { base: string; own?: boolean }) {
  const { data, error, refetch } = useQuery<{ items: Session[] }>({
    queryKey: ['held', base, 'sessions'],
    queryFn: ({ signal }) => send(`${base}/sessions`, { signal }),
  })
  const [ending, end] = useState<Session | null>(null)
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) return null
  if (!data.items.length) return <p>Nobody is signed in.</p>
  return (
    <>
      <div className="scrolled" tabIndex={0} role="region" aria-label="Sessions, table">
        <table className="plain" aria-label="Sessions">
          <thead>
            <tr>
              <th scope="col">Signed in by</th>
              <th scope="col">Began</th>
              <th scope="col">Last seen</th>
              <th scope="col">Ends</th>
              <th scope="col">
                <span className="off-screen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data.items.map((one) => (
              <tr key={one.id}>
                <td>
                  {WAYS[one.by] ?? one.by} {one.current ? <StateLabel look="watching">this one</StateLabel> : null}
                </td>
                <td>
                  <When at={one.createdAt} />
                </td>
                <td>
                  <When at={one.seenAt} />
                </td>
                <td>
                  <When at={one.expiresAt} />
                </td>
                <td>
                  <Button variant="link" size="sm" isDanger onClick={() => end(one)} aria-label={`End the session ${one.id}`}>
                    End
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {ending ? (
        <ConfirmCall
          title="End this session"
          call={{ method: 'DELETE', path: `${base}/sessions/${encodeURIComponent(ending.id)}` }}
          // Of one's own no token may end one, so there is no code for it.
          {...(own ? { code: null } : {})}
          verb="End it"
          danger
          done="Ended the session"
          onDone={() => end(null)}
          onClose={() => end(null)}
        >
          <p>
            Whoever uses it is signed out at once. {ending.current ? 'It is the one of this browser: you will sign in again.' : ''}
          </p>
        </ConfirmCall>
      ) : null}
    </>
  )
}

/** `own` is one's name, where they are one's own. */
export function Tokens({ base, own = '' }: { base: string; own?: string }) {
  const { data, error, refetch } = useQuery<{ items: Token[] }>({
    queryKey: ['held', base, 'tokens'],
    queryFn: ({ signal }) => send(`${base}/tokens`, { signal }),
  })
  const [ending, end] = useState<Token | null>(null)
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) return null
  if (!data.items.length) {
    return (
      <Teach title="No API tokens" headingLevel="h3" {...(own ? { command: command('portreeve', 'token', 'create', 'pipeline', '--user', own, '--expires-at', 'TIME') } : {})}>
        Tokens are for programs: each has an end, the roles of its user at that moment, and may be narrowed to reading or to some kinds.
      </Teach>
    )
  }
  return (
    <>
      <div className="scrolled" tabIndex={0} role="region" aria-label="API tokens, table">
        <table className="plain" aria-label="API tokens">
          <thead>
            <tr>
              <th scope="col">Title</th>
              <th scope="col">May</th>
              <th scope="col">Made</th>
              <th scope="col">Used</th>
              <th scope="col">Ends</th>
              <th scope="col">
                <span className="off-screen">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data.items.map((one) => (
              <tr key={one.id}>
                <td>
                  {one.title} <div className="fresh">{one.id}</div>
                </td>
                <td>{scopeOf(one)}</td>
                <td>
                  <When at={one.createdAt} />
                </td>
                <td>
                  <When at={one.usedAt} />
                </td>
                <td>
                  <When at={one.expiresAt} />
                </td>
                <td>
                  <Button variant="link" size="sm" isDanger onClick={() => end(one)} aria-label={`Revoke the token ${one.title}`}>
                    Revoke
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {ending ? (
        <ConfirmCall
          title={`Revoke the token ${ending.title}`}
          call={{ method: 'DELETE', path: `${base}/tokens/${encodeURIComponent(ending.id)}` }}
          {...(own ? { code: { portreeve: command('portreeve', 'token', 'revoke', ending.id, '--user', own) } } : {})}
          verb="Revoke"
          danger
          done={`Revoked ${ending.title}`}
          onDone={() => end(null)}
          onClose={() => end(null)}
        >
          <p>
            Whatever program uses it is refused from now on. {ending.usedAt ? <>It was used <When at={ending.usedAt} />, to the hour.</> : 'It was never used.'}
          </p>
        </ConfirmCall>
      ) : null}
    </>
  )
}

export const heldBy = (name: string) => pathOf('users', name)
