/** The credentials of a registry: which version, since when, until when; and how far the present one has come. */
import { useState } from 'react'

import { When } from '../../parts/Fresh'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import { CredentialDialog } from './CredentialDialog'
import { useProviders, type StoredCredential, type WholeOverview } from './model'
import { RotationProgress } from './Rotation'

const STATES: Record<string, 'good' | 'bad' | 'warning'> = { stored: 'good', expired: 'bad', missing: 'warning' }

export function Credentials({ row }: { row: WholeOverview }) {
  const { data: providers } = useProviders()
  const [opened, open] = useState<StoredCredential | null>(null)
  if (!row.credentials.length) {
    return (
      <Teach title="No credential is declared" headingLevel="h2">
        It is used without signing in. Declare one on the tab Edit; its secret is then set here.
      </Teach>
    )
  }
  const secretTitle = (one: StoredCredential) =>
    providers?.find((other) => other.name === row.provider)?.methods.find((method) => method.name === one.method)?.secret ?? 'Secret'
  return (
    <>
      <div className="scrolled" tabIndex={0} role="region" aria-label="Credentials, table">
        <table className="plain" aria-label="Credentials">
          <thead>
            <tr>
              <th scope="col">Purpose</th>
              <th scope="col">Way to sign in</th>
              <th scope="col">State</th>
              <th scope="col">Fingerprint</th>
              <th scope="col">Set</th>
              <th scope="col">Ends</th>
              <th scope="col">Token</th>
              <th scope="col">Actions</th>
            </tr>
          </thead>
          <tbody>
            {row.credentials.map((one) => (
              <tr key={one.purpose}>
                <td>{one.purpose}</td>
                <td>{one.method}</td>
                <td>
                  <StateLabel look={STATES[one.state] ?? 'warning'}>{one.state}</StateLabel>
                </td>
                <td>
                  {/* Of the stored version, not of the secret: a digest of that could be tried out. */}
                  {one.id ? (
                    <code>
                      {one.id}·{one.version}
                    </code>
                  ) : (
                    <span className="fresh">nothing stored</span>
                  )}
                  {one.overlap ? (
                    <div className="fresh">
                      version {one.overlap.version} is kept until <When at={one.overlap.until} />
                    </div>
                  ) : null}
                </td>
                <td>
                  <When at={one.setAt} />
                </td>
                <td>
                  <When at={one.expiresAt} none="not known" />
                </td>
                <td>
                  {one.token ? (
                    <>
                      ends <When at={one.token.expiresAt} />
                    </>
                  ) : (
                    <span className="fresh">none is made</span>
                  )}
                </td>
                <td>
                  <MayButton
                    kind="credential"
                    action={one.state === 'missing' ? 'create' : 'rotate'}
                    variant="secondary"
                    size="sm"
                    onClick={() => open(one)}
                  >
                    {one.state === 'missing' ? 'Set' : 'Rotate'}
                  </MayButton>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <h2>Where the present version is</h2>
      <RotationProgress name={row.name} />
      {opened ? (
        <CredentialDialog
          name={row.name}
          purpose={opened.purpose as 'pull' | 'management'}
          first={opened.state === 'missing'}
          secretTitle={secretTitle(opened)}
          onClose={() => open(null)}
        />
      ) : null}
    </>
  )
}
