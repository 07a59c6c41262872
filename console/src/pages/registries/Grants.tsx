/** Where a registry is granted, by environment and by the document that grants it. */
import { Modal, ModalBody, ModalHeader } from '@patternfly/react-core'
import { useState } from 'react'

import { Go, here } from '../../parts/Go'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import { Grant } from './Grant'
import type { WholeOverview } from './model'

/** Namespaces of one grant that are named; the others are counted. */
const SHOWN = 8
const ROWS = 200

export function Grants({ row }: { row: WholeOverview }) {
  const [granting, grant] = useState(false)
  const rows = row.grantedIn.slice(0, ROWS)
  const button = (
    <MayButton kind="registry-access" action="create" variant="primary" onClick={() => grant(true)}>
      Grant
    </MayButton>
  )
  return (
    <>
      {rows.length ? (
        <>
          <div className="buttons">{button}</div>
          <div className="scrolled" tabIndex={0} role="region" aria-label="Grants, table">
            <table className="plain" aria-label="Grants">
              <thead>
                <tr>
                  <th scope="col">Environment</th>
                  <th scope="col">Namespaces</th>
                  <th scope="col">Delivery</th>
                  <th scope="col">Granted by</th>
                </tr>
              </thead>
              <tbody>
                {rows.map((one) => (
                  <tr key={`${one.environment}/${one.kind}/${one.name}`}>
                    <td>
                      <Go to={here('environments', one.environment)}>{one.environment}</Go>
                    </td>
                    <td>
                      {one.namespaces.slice(0, SHOWN).join(', ') || 'none yet'}
                      {one.namespaces.length > SHOWN ? ` and ${one.namespaces.length - SHOWN} more` : ''}
                      {one.andLaterOnes ? <span className="fresh"> and later ones, by selector</span> : null}
                    </td>
                    <td>{one.mode}</td>
                    <td>
                      {one.kind === 'RegistryPolicy' ? (
                        <>
                          the policy <Go to={here('policies', one.name)}>{one.name}</Go>
                        </>
                      ) : (
                        <Go to={`/access?view=grants&registry=${encodeURIComponent(row.name)}`}>{one.name}</Go>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {row.grantedInTotal > rows.length ? (
            <p>
              The first {rows.length} of {row.grantedInTotal}. <Go to={`/access?view=grants&registry=${encodeURIComponent(row.name)}`}>All of them</Go>
            </p>
          ) : null}
        </>
      ) : (
        <Teach title="It is granted nowhere" command={`portreeve grant ${row.name} --environment prod-eu -n shop`} action={button}>
          Only where it is granted can workloads pull with its credential, and only there is it offered to developers.
        </Teach>
      )}
      {granting ? (
        <Modal isOpen onClose={() => grant(false)} variant="large" aria-label={`Grant ${row.name}`}>
          <ModalHeader title={`Grant ${row.name}`} />
          <ModalBody>
            <Grant name={row.name} onDone={() => grant(false)} />
          </ModalBody>
        </Modal>
      ) : null}
    </>
  )
}
