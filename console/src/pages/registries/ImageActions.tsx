/** Changing what is in a registry: letting a tag name another image, and deleting; each only from what was looked at. */
import { Alert, Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, Spinner, TextInput } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send, withQuery } from '../../api/client'
import { asProblem } from '../../api/problem'
import { codeOfCall, InCode } from '../../parts/InCode'
import { useSettled } from '../../parts/PlanBeside'
import { useSay } from '../../parts/Say'
import { Wrong } from '../../parts/Wrong'
import type { Image, Row, Use } from '../../parts/images'
import { counted } from './model'

interface ActionProps {
  name: string
  repository: string
  row: Row
  onClose: () => void
}

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

/** Workloads that are named; the others are counted. */
const SHOWN = 20

/** What a reference names now; null if there is no such tag. */
function useNamed(name: string, repository: string, reference: string) {
  return useQuery({
    queryKey: ['registry', name, 'named', repository, reference],
    queryFn: async () => {
      try {
        return await send<Image>(`${pathOf('registries', name)}/image`, { query: { repository, reference } })
      } catch (error) {
        if (asProblem(error).status === 404) return null
        throw error
      }
    },
    enabled: reference !== '',
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
}

export function Retag({ name, repository, row, onClose }: ActionProps) {
  const [tag, setTag] = useState('')
  const [asked, still] = useSettled(TAG.test(tag) ? tag : '', 300)
  const { data: now, error, isFetching } = useNamed(name, repository, asked)
  const reference = row.digest ?? row.tags[0] ?? ''
  const path = withQuery(`${pathOf('registries', name)}/retag`, { repository, reference, tag: asked })
  const headers: Record<string, string> = now ? { 'If-Match': `"${now.digest}"` } : { 'If-None-Match': '*' }
  const same = Boolean(now && now.digest === row.digest)
  const ready = asked !== '' && still && !isFetching && !error && !same
  const { run, working, refused } = useRun(() => send(path, { method: 'POST', headers }), `${asked} names ${row.tags[0] ?? 'the image'} now`, onClose)
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label="Let a tag name this image">
      <ModalHeader title="Let a tag name this image" description={`${repository}@${row.digest ?? row.tags[0] ?? ''}`} />
      <ModalBody>
        <Form
          onSubmit={(event) => {
            event.preventDefault()
            if (ready) void run()
          }}
        >
          <FormGroup label="Tag" fieldId="retag" isRequired>
            <TextInput
              id="retag"
              value={tag}
              onChange={(_, text) => setTag(text)}
              validated={tag && !TAG.test(tag) ? 'error' : 'default'}
              autoComplete="off"
            />
          </FormGroup>
        </Form>
        <div aria-live="polite">
          {asked && isFetching ? <Spinner size="md" aria-label="Looking at what it names now" /> : null}
          {error ? <Wrong error={error} /> : null}
          {asked && !isFetching && now === null ? <p>There is no such tag yet: it is made.</p> : null}
          {same ? <p>It names this image already.</p> : null}
          {now && !same && !isFetching ? (
            <>
              <p>
                It names <code>{now.digest}</code> now, and is moved.
              </p>
              <UsedBy uses={now.usedBy} what="run it by this tag, and get the other image when they are scheduled anew" />
            </>
          ) : null}
        </div>
        {refused ? <Wrong error={refused} /> : null}
      </ModalBody>
      <ModalFooter>
        <Button variant={now ? 'warning' : 'primary'} isDisabled={!ready || working} isLoading={working} spinnerAriaValueText="Working" onClick={() => void run()}>
          {now && !same ? 'Move the tag' : 'Set the tag'}
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
        {asked ? <InCode code={codeOfCall({ method: 'POST', path, headers })} what="Let a tag name this image" /> : null}
      </ModalFooter>
    </Modal>
  )
}

export function DeleteImage({ name, repository, row, onClose }: ActionProps) {
  const choices = [...row.tags.map((tag) => ({ reference: tag, title: `the tag ${tag}` })), ...(row.digest ? [{ reference: row.digest, title: 'the image with all its tags' }] : [])]
  const [reference, choose] = useState(choices[0]?.reference ?? '')
  const path = withQuery(`${pathOf('registries', name)}/image`, { repository, reference })
  const { data, error, isFetching } = useQuery({
    queryKey: ['registry', name, 'deleting', repository, reference],
    queryFn: () => send<{ digest: string; usedBy: Use[] }>(`${path}&dryRun=All`, { method: 'DELETE' }),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  })
  const headers: Record<string, string> = data ? { 'If-Match': `"${data.digest}"` } : {}
  const { run, working, refused } = useRun(() => send(path, { method: 'DELETE', headers }), `Deleted ${reference}`, onClose)
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label="Delete from the registry">
      <ModalHeader title="Delete from the registry" description={repository} />
      <ModalBody>
        <fieldset className="bare">
          <legend>What is deleted</legend>
          <div className="choices">
            {choices.map((one) => (
              <label key={one.reference} className={reference === one.reference ? 'choice chosen' : 'choice'}>
                <input type="radio" name="delete" checked={reference === one.reference} onChange={() => choose(one.reference)} />
                <span>{one.title}</span>
              </label>
            ))}
          </div>
        </fieldset>
        <div aria-live="polite">
          {isFetching ? <Spinner size="md" aria-label="Looking at who runs it" /> : null}
          {error ? <Wrong error={error} /> : null}
          {data && !isFetching ? (
            <>
              <p>
                It is <code>{data.digest}</code>. Many registries delete the manifest and all its tags with a tag.
              </p>
              <UsedBy uses={data.usedBy} what="run it, and cannot pull it again" />
            </>
          ) : null}
        </div>
        {refused ? <Wrong error={refused} /> : null}
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" isDisabled={!data || isFetching || working} isLoading={working} spinnerAriaValueText="Working" onClick={() => void run()}>
          Delete
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
        {data ? <InCode code={codeOfCall({ method: 'DELETE', path, headers })} what="Delete from the registry" /> : null}
      </ModalFooter>
    </Modal>
  )
}

function UsedBy({ uses, what }: { uses: Use[]; what: string }) {
  if (!uses.length) return <p className="fresh">No running workload that you see {what.startsWith('run it by') ? 'runs it by this tag' : 'runs it'}.</p>
  return (
    <Alert variant="warning" isInline title={`${counted(uses.length, 'workload')} ${what}`}>
      <ul>
        {uses.slice(0, SHOWN).map((one) => (
          <li key={`${one.environment}/${one.namespace}/${one.owner}`}>
            {one.environment}/{one.namespace}: {one.owner}
          </li>
        ))}
        {uses.length > SHOWN ? <li>and {uses.length - SHOWN} more</li> : null}
      </ul>
    </Alert>
  )
}

/** Do something once, say so, look anew at everything of the registry, and close. */
function useRun(action: () => Promise<unknown>, done: string, onClose: () => void) {
  const [working, work] = useState(false)
  const [refused, refuse] = useState<unknown>(null)
  const say = useSay()
  const client = useQueryClient()
  const run = async () => {
    work(true)
    refuse(null)
    try {
      await action()
      await client.invalidateQueries({ queryKey: ['registry'] })
      say(done)
      onClose()
    } catch (failed) {
      refuse(failed)
    } finally {
      work(false)
    }
  }
  return { run, working, refused }
}
