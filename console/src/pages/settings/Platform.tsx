/** The one document of settings: which labels selectors may use, and whether Docker Hub without a sign-in is shown. */
import { Button, Checkbox, Form, FormGroup, Spinner, TextArea } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState, type FormEvent } from 'react'

import { send } from '../../api/client'
import { fresh, type Document } from '../../api/documents'
import { asProblem } from '../../api/problem'
import { useMay } from '../../api/session'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Wrong } from '../../parts/Wrong'
import { names } from './people'

type Settings = Document<{ selectorLabels?: string[]; hideAnonymousDockerHub?: boolean }>

const NONE: Settings = fresh('Settings', 'platform', {})

export function Platform() {
  const { data, error, refetch } = useQuery<Settings>({
    queryKey: ['document', 'settings'],
    queryFn: async ({ signal }) => {
      try {
        return await send<Settings>('/api/v1/settings', { signal })
      } catch (failed) {
        // Nobody has written any yet: then what is usual holds.
        if (asProblem(failed).status === 404) return NONE
        throw failed
      }
    },
  })
  const may = useMay('settings', 'update')
  const [labels, list] = useState('')
  const [hidden, hide] = useState(false)
  const [asking, ask] = useState(false)
  useEffect(() => {
    list((data?.spec.selectorLabels ?? []).join('\n'))
    hide(data?.spec.hideAnonymousDockerHub ?? false)
  }, [data])
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) return <Spinner aria-label="Loading the settings" />
  const selectorLabels = names(labels)
  const document: Settings = {
    ...data,
    spec: { ...(selectorLabels.length ? { selectorLabels } : {}), ...(hidden ? { hideAnonymousDockerHub: true } : {}) },
  }
  const same = JSON.stringify(document.spec) === JSON.stringify({ ...data.spec, ...(data.spec.selectorLabels?.length ? {} : { selectorLabels: undefined }) })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    ask(true)
  }
  return (
    <>
      <Form onSubmit={submit} className="narrow-form">
        <FormGroup label="Labels that selectors may use" fieldId="labels">
          <TextArea
            id="labels"
            value={labels}
            rows={4}
            spellCheck={false}
            isDisabled={!may.allowed}
            onChange={(_, text) => list(text)}
            aria-describedby="labels-help"
          />
          <p id="labels-help" className="fresh">
            Keys of labels of namespaces, one a line. Whoever may label a namespace moves it into the reach of a selector, and its pods get the credential: list only
            keys that nobody else can change.
          </p>
        </FormGroup>
        <Checkbox
          id="docker-hub"
          label="Hide Docker Hub without a sign-in, everywhere"
          description="In staging and production it is always hidden. This changes what people are shown; what may run says the policy."
          isChecked={hidden}
          isDisabled={!may.allowed}
          onChange={(_, on) => hide(on)}
        />
        <div>
          <Button type="submit" isDisabled={!may.allowed || same}>
            See what it changes
          </Button>{' '}
          {may.allowed ? null : <span className="fresh">{may.who}</span>}
        </div>
      </Form>
      {asking ? (
        <ConfirmChange
          title="Change the settings"
          change={{ documents: [document] }}
          verb="Change"
          done="Changed the settings"
          onDone={() => ask(false)}
          onClose={() => ask(false)}
        />
      ) : null}
    </>
  )
}
