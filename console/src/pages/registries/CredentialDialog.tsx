/** Setting or rotating a credential: what is typed goes in and is never shown again, not even to an administrator. */
import { Alert, Button, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'

import { pathOf, send } from '../../api/client'
import { codeOfCall, InCode, type Code } from '../../parts/InCode'
import { useSay } from '../../parts/Say'
import { command } from '../../parts/shell'
import { Wrong } from '../../parts/Wrong'
import { RotationProgress } from './Rotation'

export interface CredentialDialogProps {
  name: string
  purpose: 'pull' | 'management'
  /** Set it for the first time, instead of rotating. */
  first?: boolean
  secretTitle?: string
  onClose: () => void
}

const HOURS = 3600

const SECRET = '$REGISTRY_SECRET'

/** What a variable holds as the inside of a JSON string: it may be a key file of several lines. */
const AS_JSON = `$(printf %s "$REGISTRY_SECRET" | awk '{ gsub(/[\\\\"]/, "\\\\\\\\&"); gsub(/\\t/, "\\\\t"); gsub(/\\r/, "\\\\r"); printf "%s%s", e, $0; e = "\\\\n" }')`

/** The same request in code: the secret is a variable, and in no command. */
export function credentialCode(name: string, purpose: string, first: boolean, expiresAt: string, overlapHours: string): Code {
  const path = `${pathOf('registries', name, 'credentials', purpose)}${first ? '' : '/rotate'}`
  const overlap = first ? undefined : Number(overlapHours) * HOURS
  const found = codeOfCall({
    method: first ? 'PUT' : 'POST',
    path,
    body: { secret: SECRET, ...(expiresAt ? { expiresAt } : {}), ...(overlap === undefined ? {} : { overlapSeconds: overlap }) },
  })
  const words = [
    'rotate',
    'registry',
    name,
    ...(purpose === 'pull' ? [] : ['--purpose', purpose]),
    ...(first ? ['--set'] : ['--overlap', `${overlapHours}h`]),
    ...(expiresAt ? ['--expires-at', expiresAt] : []),
    '--from-env',
    'REGISTRY_SECRET',
  ]
  return {
    portreeve: command('portreeve', ...words),
    // A here-document whose mark is not quoted puts the variable in; the body holds nothing else that a shell reads.
    ...(found.curl ? { curl: found.curl.replace("<<'EOF'", '<<EOF').replace(SECRET, () => AS_JSON) } : {}),
  }
}

/** The end of a day, UTC, of what a date field holds. */
export function endOf(day: string): string {
  return day ? `${day}T00:00:00Z` : ''
}

export function CredentialDialog({ name, purpose, first = false, secretTitle = 'Secret', onClose }: CredentialDialogProps) {
  const [secret, setSecret] = useState('')
  const [day, setDay] = useState('')
  const [overlap, setOverlap] = useState('24')
  const [working, work] = useState(false)
  const [refused, refuse] = useState<unknown>(null)
  const [done, finish] = useState(false)
  const say = useSay()
  const client = useQueryClient()
  const verb = first ? 'Set' : 'Rotate'
  const close = useRef<HTMLButtonElement>(null)
  // The button that had the focus is gone with the form.
  useEffect(() => {
    if (done) close.current?.focus()
  }, [done])
  const fits = first || /^\d{1,3}$/.test(overlap)

  const store = async () => {
    work(true)
    refuse(null)
    const expiresAt = endOf(day)
    const path = `${pathOf('registries', name, 'credentials', purpose)}${first ? '' : '/rotate'}`
    try {
      await send(path, {
        method: first ? 'PUT' : 'POST',
        body: { secret, ...(expiresAt ? { expiresAt } : {}), ...(first ? {} : { overlapSeconds: Number(overlap) * HOURS }) },
      })
      setSecret('')
      finish(true)
      say(first ? `Stored the ${purpose} credential of ${name}` : `Rotated the ${purpose} credential of ${name}`)
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'plan' })
    } catch (failed) {
      refuse(failed)
    } finally {
      work(false)
    }
  }

  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label={`${verb} the ${purpose} credential of ${name}`}>
      <ModalHeader
        title={`${verb} the ${purpose} credential of ${name}`}
        description={first ? 'It is stored encrypted and can be read back by nobody.' : 'A new version goes everywhere; the one before ends when all have the new one.'}
      />
      <ModalBody>
        {done ? (
          <>
            <Alert variant="success" isInline title={first ? 'It is stored' : 'The new version is on its way'}>
              {first ? 'Check the registry now to see whether it is accepted.' : 'Take the old one back at the registry once this says that it is done.'}
            </Alert>
            {purpose === 'pull' ? <RotationProgress name={name} /> : null}
          </>
        ) : (
          <Form
            onSubmit={(event) => {
              event.preventDefault()
              void store()
            }}
          >
            <FormGroup label={secretTitle} fieldId="credential-secret" isRequired>
              <TextInput
                id="credential-secret"
                type="password"
                autoComplete="new-password"
                value={secret}
                isRequired
                onChange={(_, text) => setSecret(text)}
              />
              <FormHelperText>
                <HelperText>
                  <HelperTextItem>It goes in and is never shown again.</HelperTextItem>
                </HelperText>
              </FormHelperText>
            </FormGroup>
            <FormGroup label="It ends on" fieldId="credential-end">
              <TextInput id="credential-end" type="date" value={day} onChange={(_, text) => setDay(text)} />
              <FormHelperText>
                <HelperText>
                  <HelperTextItem>As the registry says. You are warned 30, 14, 7 and 1 days before.</HelperTextItem>
                </HelperText>
              </FormHelperText>
            </FormGroup>
            {first ? null : (
              <FormGroup label="Keep the version before for at most (hours)" fieldId="credential-overlap">
                <TextInput
                  id="credential-overlap"
                  inputMode="numeric"
                  value={overlap}
                  validated={fits ? 'default' : 'error'}
                  onChange={(_, text) => setOverlap(text)}
                />
              </FormGroup>
            )}
          </Form>
        )}
        {refused ? <Wrong error={refused} /> : null}
      </ModalBody>
      <ModalFooter>
        {done ? (
          <Button variant="primary" onClick={onClose} ref={close}>
            Close
          </Button>
        ) : (
          <>
            <Button variant="primary" isDisabled={!secret || !fits || working} isLoading={working} spinnerAriaValueText="Storing" onClick={() => void store()}>
              {verb}
            </Button>
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <InCode code={credentialCode(name, purpose, first, endOf(day), overlap)} what={`${verb} the credential`} />
          </>
        )}
      </ModalFooter>
    </Modal>
  )
}
