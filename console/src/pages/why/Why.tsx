/**
 * Where the link of an admission message leads: why, what to use instead, and how to ask for an exemption. Nobody has to
 * be signed in; the token in the fragment is the permission, and the fragment stays in the browser.
 */
import { Button, Card, CardBody, CardTitle, Content, Form, FormGroup, Spinner, TextArea, TextInput } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState, type FormEvent } from 'react'

import { withQuery, send } from '../../api/client'
import { useMe } from '../../api/session'
import { Copied } from '../../parts/Copied'
import { Go } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { command } from '../../parts/shell'
import { Verdict } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'
import { readFragment, readMessage, writeFragment, type Asked, type Facts } from './message'
import './why.css'

interface Answer {
  verdict: string
  code: string
  image: string
  canonical: string | null
  namespace: string
  policy: { name: string; generation: number }
  nearest: string | null
  alternative: string | null
  command: string
}

function useFragment(): [Asked, (asked: Asked) => void] {
  const [asked, set] = useState(() => readFragment(window.location.hash))
  useEffect(() => {
    const changed = () => set(readFragment(window.location.hash))
    window.addEventListener('hashchange', changed)
    return () => window.removeEventListener('hashchange', changed)
  }, [])
  const ask = (next: Asked) => {
    // Not through the router: what stands here is for no history. The path stands there too, as the page has a base.
    window.history.replaceState(window.history.state, '', `${window.location.pathname}${window.location.search}${writeFragment(next)}`)
    set(next)
  }
  return [asked, ask]
}

export function Why() {
  const [asked, ask] = useFragment()
  const [facts, learn] = useState<Facts | null>(null)
  const whole = asked.token && asked.namespace && asked.image
  const read = (found: Facts) => {
    learn(found)
    if (found.token) ask({ token: found.token, namespace: found.namespace, image: found.image })
  }
  return (
    <Page title="Why was I blocked?" about="Why a cluster refused an image, and what to use instead. You need not sign in.">
      {whole ? <Explained asked={asked} /> : null}
      {!whole && facts && !facts.token ? <Told facts={facts} /> : null}
      {asked.token ? (
        <Another key={writeFragment(asked)} asked={asked} ask={ask} />
      ) : (
        <Paste read={read} />
      )}
    </Page>
  )
}

function Explained({ asked }: { asked: Asked }) {
  const { data, error, refetch } = useQuery<Answer>({
    queryKey: ['why', asked],
    queryFn: ({ signal }) => send<Answer>('/api/v1/why', { method: 'POST', body: asked, signal }),
    retry: false,
    staleTime: 60_000,
  })
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) {
    return (
      <p role="status">
        <Spinner size="md" aria-label="Asking" /> Asking…
      </p>
    )
  }
  const denied = data.verdict !== 'ALLOW'
  return (
    <section aria-label="Answer">
      <Content role="status">
        <p>
          <Verdict verdict={data.verdict} />{' '}
          <strong>
            <code>{data.image}</code>
          </strong>{' '}
          {denied ? 'may not run' : 'may run'} in the namespace <code>{data.namespace}</code>, says the policy <code>{data.policy.name}</code>{' '}
          (generation {data.policy.generation}).
        </p>
        {denied ? <p>{because(data)}</p> : <p>What was refused before is allowed now. Apply it again.</p>}
      </Content>
      {denied ? <Instead answer={data} /> : null}
      <Explain command={data.command} />
      {denied ? <Exempt policy={data.policy.name} image={data.canonical ?? data.image} namespace={data.namespace} /> : null}
    </section>
  )
}

function because({ code, canonical, verdict }: Answer): string {
  if (code === 'unsafe_reference') return 'It is no image reference that can be read in one way only, so nothing allows it.'
  if (verdict === 'UNKNOWN') return 'A grant that may cover it could not be resolved, so nobody can say yet.'
  return `It is read as ${canonical ?? 'nothing'}, and no allowed source of this namespace covers that.`
}

function Instead({ answer: { alternative, nearest } }: { answer: Answer }) {
  return (
    <Card component="section" className="own-card">
      <CardTitle component="h2">Use this instead</CardTitle>
      <CardBody>
        {alternative ? (
          <>
            <p>The same image where it is allowed, below a mirror. Whether it is there already, nobody has looked.</p>
            <Copied text={alternative} what="the allowed image" />
            <p>In the manifest:</p>
            <Copied text={`image: ${alternative}`} what="the line of the manifest" />
          </>
        ) : null}
        {!alternative && nearest ? (
          <>
            <p>What lies below this source is allowed here:</p>
            <Copied text={`${nearest}/`} what="the nearest allowed source" />
          </>
        ) : null}
        {!alternative && !nearest ? (
          <p>No allowed source is near this one. Ask whoever keeps the policy where this image may come from.</p>
        ) : null}
      </CardBody>
    </Card>
  )
}

function Explain({ command: text }: { command: string }) {
  return (
    <Card component="section" className="own-card">
      <CardTitle component="h2">See every reason</CardTitle>
      <CardBody>
        <p>With your own kubeconfig, in a terminal:</p>
        <Copied text={text} what="the command" />
      </CardBody>
    </Card>
  )
}

function Exempt({ policy, image, namespace }: { policy: string; image: string; namespace: string }) {
  const { data: me } = useMe()
  const repository = image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
  return (
    <Card component="section" className="own-card">
      <CardTitle component="h2">Or ask for an exemption</CardTitle>
      <CardBody>
        <p>
          For a while, with a reason; somebody else approves it. {me ? null : 'For this you sign in.'}
        </p>
        <Go to={withQuery('/exemptions/new', { policy, image: repository, namespace })}>Request an exemption</Go>
      </CardBody>
    </Card>
  )
}

/** What a message without a link says; the control plane is not asked, as nothing says that the reader may. */
function Told({ facts }: { facts: Facts }) {
  return (
    <section aria-label="Answer">
      <p role="status">
        The policy <code>{facts.policy}</code> (generation {facts.generation}) does not allow <code>{facts.image}</code> in the namespace{' '}
        <code>{facts.namespace}</code>. The message holds no link, so what is allowed instead is told in a terminal, or to whoever signs in.
      </p>
      <Explain command={command('portreeve', 'explain', facts.image, '-n', facts.namespace)} />
      <Exempt policy={facts.policy} image={facts.image} namespace={facts.namespace} />
    </section>
  )
}

function Another({ asked, ask }: { asked: Asked; ask: (asked: Asked) => void }) {
  const [image, type] = useState(asked.image)
  const [namespace, name] = useState(asked.namespace)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    ask({ ...asked, image: image.trim(), namespace: namespace.trim() })
  }
  return (
    <Card component="section" className="own-card">
      <CardTitle component="h2">{asked.image ? 'Try another image' : 'Which image was it?'}</CardTitle>
      <CardBody>
        <Form onSubmit={submit} className="narrow-form">
          <FormGroup label="Image" fieldId="image" isRequired>
            <TextInput id="image" value={image} onChange={(_, text) => type(text)} spellCheck={false} isRequired />
          </FormGroup>
          <FormGroup label="Namespace" fieldId="namespace" isRequired>
            <TextInput id="namespace" value={namespace} onChange={(_, text) => name(text)} spellCheck={false} isRequired />
          </FormGroup>
          <div>
            <Button type="submit" isDisabled={!image.trim() || !namespace.trim()}>
              May it run?
            </Button>
          </div>
        </Form>
      </CardBody>
    </Card>
  )
}

function Paste({ read }: { read: (facts: Facts) => void }) {
  const [text, type] = useState('')
  const [unread, tell] = useState(false)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const found = readMessage(text)
    tell(!found)
    if (found) read(found)
  }
  return (
    <Card component="section" className="own-card">
      <CardTitle component="h2">Paste the message</CardTitle>
      <CardBody>
        <Form onSubmit={submit}>
          <FormGroup label="What kubectl, Helm or the event said" fieldId="message">
            <TextArea
              id="message"
              value={text}
              rows={5}
              spellCheck={false}
              onChange={(_, typed) => type(typed)}
              aria-describedby="message-help"
              validated={unread ? 'error' : 'default'}
            />
            <p id="message-help" className="fresh" role={unread ? 'alert' : undefined}>
              {unread
                ? 'This holds no message of a policy of ours. It says “not allowed in namespace …” somewhere. Another refusal is explained by: portreeve explain pod/NAME -n NAMESPACE'
                : 'The whole text; it is read in this browser and sent nowhere.'}
            </p>
          </FormGroup>
          <div>
            <Button type="submit" isDisabled={!text.trim()}>
              Explain it
            </Button>
          </div>
        </Form>
      </CardBody>
    </Card>
  )
}
