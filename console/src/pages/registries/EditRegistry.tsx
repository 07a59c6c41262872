/** Changing a registry: the same fields as when it was added, without the secret, which has its own way. */
import { Button, Form } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

import { pathOf, send } from '../../api/client'
import { bare } from '../../api/documents'
import { useMay } from '../../api/session'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Wrong } from '../../parts/Wrong'
import { documentOf, entered as readForm, type Entered } from './form'
import { useProviders, type RegistryDocument } from './model'
import { Management, SignIn, Trust, Where } from './RegistryForm'

export function EditRegistry({ name, onDone }: { name: string; onDone: () => void }) {
  const may = useMay('registry', 'update')
  const { data: providers } = useProviders()
  const { data, error, refetch } = useQuery({
    queryKey: ['registry', name, 'document'],
    queryFn: () => send<RegistryDocument>(pathOf('registries', name)),
  })
  const [form, setForm] = useState<Entered | null>(null)
  const [changing, change] = useState<RegistryDocument | null>(null)
  useEffect(() => {
    if (data && !form) setForm(readForm(data))
  }, [data])
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!may.allowed) return <p>{may.who}</p>
  if (!data || !form || !providers) return null
  const provider = providers.find((one) => one.name === form.provider)
  const set = (changed: Partial<Entered>) => setForm({ ...form, ...changed })
  const begin = () => {
    const made = documentOf(form, provider)
    // Its labels are not of this form.
    change({ ...made, metadata: { ...bare(data).metadata } })
  }
  return (
    <Form
      className="wide-form"
      onSubmit={(event) => {
        event.preventDefault()
        begin()
      }}
    >
      <Where entered={form} set={set} provider={provider} existing />
      <SignIn entered={form} set={set} provider={provider} />
      <Trust entered={form} set={set} provider={provider} />
      <Management entered={form} set={set} provider={provider} />
      <div className="buttons">
        <Button variant="primary" type="submit">
          Look at the plan
        </Button>
        <Button variant="link" onClick={() => setForm(readForm(data))}>
          As it was
        </Button>
      </div>
      {changing ? (
        <ConfirmChange
          title={`Change the registry ${name}`}
          change={{ documents: [changing] }}
          verb="Change"
          done={`Changed ${name}`}
          onDone={() => {
            change(null)
            onDone()
          }}
          onClose={() => change(null)}
        />
      ) : null}
    </Form>
  )
}
