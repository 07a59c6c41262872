/** How a granted credential reaches a pull: one tile for each mode, with what its lifetime really is. */
import { FormGroup, FormSelect, FormSelectOption } from '@patternfly/react-core'
import { useId } from 'react'

import { Tiles } from '../../parts/Tiles'
import type { Delivery } from './grants'
import { MODES } from './words'

const ACCOUNTS: [Delivery['serviceAccounts'], string][] = [
  ['default', 'default: pods without one of their own'],
  ['all', 'all of the namespace'],
  ['none', 'none: manifests name the pull secret themselves'],
]

export interface DeliveryFieldsProps {
  value: Delivery
  set: (value: Delivery) => void
}

export function DeliveryFields({ value, set }: DeliveryFieldsProps) {
  const name = useId()
  const brings = value.mode !== 'node' && value.mode !== 'cluster-identity'
  return (
    <>
      <Tiles
        legend="Delivery"
        value={value.mode}
        set={(mode) => set({ ...value, mode: mode as Delivery['mode'] })}
        tiles={MODES.map((one) => ({ key: one.mode, title: one.title, word: one.mode, about: `${one.life} ${one.use}` }))}
      />
      {brings ? (
        <FormGroup label="ServiceAccounts that get the pull secret" fieldId={`${name}-accounts`}>
          <FormSelect
            id={`${name}-accounts`}
            value={value.serviceAccounts}
            onChange={(_, chosen) => set({ ...value, serviceAccounts: chosen as Delivery['serviceAccounts'] })}
          >
            {ACCOUNTS.map(([key, words]) => (
              <FormSelectOption key={key} value={key} label={words} />
            ))}
          </FormSelect>
          <p className="fresh">Attachment is not isolation: whoever may read Secrets in the namespace can read this one.</p>
        </FormGroup>
      ) : null}
    </>
  )
}
