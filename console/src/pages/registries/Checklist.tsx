/** The checklist of a registry, stage by stage as it happens: what each found, why it failed, what to do. */
import { Alert, Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, Spinner, TextInput } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'

import { codeOfCall, InCode } from '../../parts/InCode'
import { Copied } from '../../parts/Copied'
import { StateLabel } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'
import type { Check } from './model'
import { validate, type Ended } from './stream'

/** Every stage in its order, and what it is about. */
const STAGES: [string, string][] = [
  ['dns', 'Name'],
  ['tcp', 'Connection'],
  ['tls', 'Certificate'],
  ['api', 'Registry API'],
  ['challenge', 'Way to sign in'],
  ['token', 'Credential'],
  ['pull', 'Pull of an image'],
  ['browse', 'List of repositories'],
  ['push', 'Least privilege'],
  ['expiry', 'End of the credential'],
]

export const LOOKS = { ok: 'good', failed: 'bad', unknown: 'unknown' } as const

/** The entry that an administrator may add, out of the advice of a refused address. */
export function allowEntry(check: Check): string | null {
  if (check.code !== 'address_refused') return null
  return /can add ([0-9a-fA-F.:]+(?:\/\d+)?)/.exec(check.hint ?? '')?.[1] ?? null
}

export function Checks({ checks, running }: { checks: Check[]; running?: boolean }) {
  const found = new Map(checks.map((one) => [one.stage, one]))
  const next = running ? STAGES.find(([stage]) => !found.has(stage))?.[0] : undefined
  return (
    <ol className="checks" aria-label="Stages" aria-live="polite" aria-busy={running ?? false}>
      {STAGES.map(([stage, title]) => {
        const check = found.get(stage)
        const entry = check ? allowEntry(check) : null
        return (
          <li key={stage}>
            <span className="check-title">{title}</span>
            {check ? (
              <StateLabel look={LOOKS[check.outcome as keyof typeof LOOKS] ?? 'unknown'}>{check.outcome}</StateLabel>
            ) : stage === next ? (
              <Spinner size="md" aria-label={`Trying: ${title}`} />
            ) : (
              <span className="fresh">{running ? 'to come' : 'not tried'}</span>
            )}
            {check ? (
              <div className="check-text">
                {check.message} {check.code && check.code !== 'not_tried' ? <code>{check.code}</code> : null}
                {check.hint ? (
                  <div>
                    <strong>What to do:</strong> {check.hint}
                  </div>
                ) : null}
                {entry ? (
                  <div>
                    The entry to add, where the control plane is started:
                    <Copied text={`PORTREEVE_SERVER_PRIVATE_ADDRESSES=${entry}`} what="the entry of the allowed addresses" />
                  </div>
                ) : null}
              </div>
            ) : null}
          </li>
        )
      })}
    </ol>
  )
}

const VERDICTS: Record<string, { variant: 'success' | 'danger' | 'warning'; title: string }> = {
  ok: { variant: 'success', title: 'It works: an image can be pulled' },
  failed: { variant: 'danger', title: 'It does not work as it is' },
  unknown: { variant: 'warning', title: 'Not every stage could be judged' },
}

export interface LiveProps {
  name: string
  /** Begin by itself. */
  at: 'once' | 'press'
  onEnd?: (ended: Ended) => void
  /** What was found the last time. */
  before?: Check[] | null
}

export function LiveChecklist({ name, at, onEnd, before = null }: LiveProps) {
  const [checks, set] = useState<Check[]>(before ?? [])
  const [ended, end] = useState<Ended | null>(null)
  const [error, fail] = useState<unknown>(null)
  const [running, run] = useState(false)
  const [image, name_image] = useState('')
  const stop = useRef<AbortController | null>(null)
  const client = useQueryClient()

  const begin = async () => {
    stop.current?.abort()
    const mine = (stop.current = new AbortController())
    set([])
    end(null)
    fail(null)
    run(true)
    try {
      const found = await validate(name, (check) => set((all) => [...all, check]), {
        signal: mine.signal,
        ...(image ? { image } : {}),
      })
      end(found)
      onEnd?.(found)
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] === 'registry' || query.queryKey[0] === 'list' })
    } catch (failed) {
      if (!mine.signal.aborted) fail(failed)
    } finally {
      if (stop.current === mine) run(false)
    }
  }
  useEffect(() => {
    if (at === 'once') void begin()
    return () => stop.current?.abort()
  }, [name])

  const verdict = ended ? VERDICTS[ended.outcome] : undefined
  return (
    <>
      <div aria-live="polite">
        {verdict ? (
          <Alert variant={verdict.variant} isInline title={verdict.title}>
            {ended?.credential ? `Asked with the ${ended.credential} credential` : 'Asked without a credential'}, from the control plane, in{' '}
            {ended?.ms} ms. What clusters see of it stands on its page, under Checks.
          </Alert>
        ) : null}
        {error ? <Wrong error={error} title="The checklist could not be run" /> : null}
      </div>
      <Checks checks={checks} running={running} />
      <Form className="one-line" onSubmit={(event) => event.preventDefault()}>
        <FormGroup label="An image to try, if you know one" fieldId="check-image">
          <TextInput
            id="check-image"
            value={image}
            onChange={(_, text) => name_image(text)}
            placeholder="team/app:1.0"
            autoComplete="off"
          />
        </FormGroup>
        <Button variant="secondary" onClick={() => void begin()} isLoading={running} spinnerAriaValueText="Checking" isDisabled={running}>
          {checks.length ? 'Check again' : 'Check now'}
        </Button>
        <InCode
          what={`Validate ${name}`}
          code={codeOfCall({
            method: 'POST',
            path: `/api/v1/registries/${encodeURIComponent(name)}/validate${image ? `?image=${encodeURIComponent(image)}` : ''}`,
            argv: ['validate', 'registry', name, ...(image ? ['--image', image] : [])],
          })}
        />
      </Form>
    </>
  )
}

export function CheckDialog({ name, onClose }: { name: string; onClose: () => void }) {
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label={`Validate ${name}`}>
      <ModalHeader title={`Validate ${name}`} description="Each stage asks the real registry, as little as it can." />
      <ModalBody>
        <LiveChecklist name={name} at="once" />
      </ModalBody>
      <ModalFooter>
        <Button variant="primary" onClick={onClose}>
          Close
        </Button>
      </ModalFooter>
    </Modal>
  )
}
