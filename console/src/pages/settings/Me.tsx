/** One's own account: roles, password, tokens, sessions. */
import { Alert, Button, Checkbox, Form, FormGroup, Label, Title } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'

import { send } from '../../api/client'
import { useMe, type Role } from '../../api/session'
import { ConfirmCall } from '../../parts/ConfirmCall'
import { Copied } from '../../parts/Copied'
import { Field } from '../../parts/Field'
import { useSay } from '../../parts/Say'
import { command } from '../../parts/shell'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { day, LONGEST_DAYS, TOKEN_KINDS, tokenFault } from './account'
import { Sessions, Tokens } from './Held'

export function Me() {
  const { data: me } = useMe()
  const [url, setUrl] = useUrl()
  // In no address and no cache: whoever reloads has to have it.
  const [made, show] = useState('')
  if (!me) return null
  return (
    <>
      <section aria-labelledby="mine">
        <Title headingLevel="h2" size="lg" id="mine">
          {me.title || me.user} <span className="fresh">{me.user}</span>
        </Title>
        <p>
          {me.roles.length ? 'Your roles: ' : 'You hold no role: ask a platform-admin for one.'}
          {me.roles.map((one, index) => (
            <Label key={index} variant="outline" isCompact>
              {one.role} {where(one)}
            </Label>
          ))}
        </p>
        {me.teams.length ? <p>Your teams: {me.teams.join(', ')}</p> : null}
      </section>
      <section aria-labelledby="tokens">
        <Title headingLevel="h2" size="lg" id="tokens">API tokens</Title>
        <Tokens base="/api/v1/me" own={me.user} />
        <Button variant="secondary" onClick={() => setUrl({ do: 'token' }, true)}>
          Make a token
        </Button>
        {made ? <Made token={made} close={() => show('')} /> : null}
        {url.do === 'token' ? (
          <MakeToken
            user={me.user}
            close={() => setUrl({ do: undefined })}
            show={(token) => {
              show(token)
              setUrl({ do: undefined })
            }}
          />
        ) : null}
      </section>
      <section aria-labelledby="sessions">
        <Title headingLevel="h2" size="lg" id="sessions">Sessions</Title>
        <Sessions base="/api/v1/me" own />
      </section>
      <section aria-labelledby="password-title">
        <Title headingLevel="h2" size="lg" id="password-title">Password</Title>
        <Password byLink={me.signedIn.by === 'link'} user={me.user} />
      </section>
    </>
  )
}

function where({ scope, project }: Role): string {
  const places = [...(scope.environments ?? []), ...(scope.groups ?? []).map((one) => `group ${one}`)]
  const named = [
    project ? `of the project ${project}` : places.length ? `in ${places.join(', ')}` : '',
    scope.namespaces?.length ? `namespaces ${scope.namespaces.join(', ')}` : '',
  ].filter(Boolean)
  return named.length ? named.join(', ') : 'everywhere'
}

function MakeToken({ user, close, show }: { user: string; close: () => void; show: (token: string) => void }) {
  const [now] = useState(() => Date.now())
  const [title, name] = useState('')
  const [until, end] = useState(() => day(now, 90))
  const [readOnly, only] = useState(true)
  const [kinds, narrow] = useState<string[]>([])
  const fault = tokenFault(until, now)
  const expiresAt = `${until}T00:00:00Z`
  const body = { title: title.trim(), expiresAt, scope: { readOnly, ...(kinds.length ? { kinds } : {}) } }
  const argv = ['token', 'create', body.title, '--user', user, '--expires-at', expiresAt, ...(readOnly ? ['--read-only'] : []), ...kinds.flatMap((one) => ['--kind', one])]
  return (
    <ConfirmCall<{ token: string }>
      title="Make an API token"
      call={{ method: 'POST', path: '/api/v1/me/tokens', body }}
      // A token makes no tokens, so there is no curl for it.
      code={{ portreeve: command('portreeve', ...argv) }}
      verb="Make it"
      ready={Boolean(body.title) && !fault}
      done={`Made the token ${body.title}`}
      onDone={({ token }) => show(token)}
      onClose={close}
    >
      <p>It acts for you, with the roles that you have at that moment, and never with more.</p>
      <Form onSubmit={(event) => event.preventDefault()}>
        <Field id="token-title" label="Title" value={title} set={name} isRequired maxLength={100} help="What uses it: only by this you will know it again." />
        <Field id="token-until" type="date" label="Ends" value={until} set={end} isRequired min={day(now, 1)} max={day(now, LONGEST_DAYS)} fault={fault} help="At the begin of this day, UTC." />
        <Checkbox id="token-reads" label="It may only read" isChecked={readOnly} onChange={(_, on) => only(on)} />
        <FormGroup label="Only for these kinds" role="group" fieldId="token-kinds">
          <div className="in-columns">
            {TOKEN_KINDS.map((one) => (
              <Checkbox
                key={one}
                id={`kind-${one}`}
                label={one}
                isChecked={kinds.includes(one)}
                onChange={(_, on) => narrow(on ? [...kinds, one] : kinds.filter((other) => other !== one))}
              />
            ))}
          </div>
          <p className="fresh">None means all.</p>
        </FormGroup>
      </Form>
    </ConfirmCall>
  )
}

function Made({ token, close }: { token: string; close: () => void }) {
  return (
    <Alert
      variant="success"
      isInline
      title="The token, shown this once"
      actionLinks={
        <Button variant="link" isInline onClick={close}>
          I have it
        </Button>
      }
    >
      <p>Keep it where secrets are kept. It is stored here as a digest alone, and nobody can show it again.</p>
      <Copied text={token} what="the token" />
      <p>To sign in with it:</p>
      <Copied text={command('portreeve', 'login', new URL('.', document.baseURI).href.replace(/\/$/, ''), '--token-stdin')} what="the command" />
    </Alert>
  )
}

const SHORTEST = 12

function Password({ byLink, user }: { byLink: boolean; user: string }) {
  const [current, setCurrent] = useState('')
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const [wrong, fail] = useState<unknown>(null)
  const [working, work] = useState(false)
  const say = useSay()
  const client = useQueryClient()
  const fault = again && again !== password ? 'it is another one than above' : undefined
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    work(true)
    fail(null)
    try {
      await send('/api/v1/me/password', { method: 'PUT', body: { password, ...(byLink ? {} : { current }) } })
      for (const set of [setCurrent, setPassword, setAgain]) set('')
      say('Set the password. All other sessions have ended.')
      await client.invalidateQueries()
    } catch (error) {
      fail(error)
    } finally {
      work(false)
    }
  }
  return (
    <Form onSubmit={(event) => void submit(event)} className="narrow-form">
      {wrong ? <Wrong error={wrong} title="The password was not set" /> : null}
      {/* For password managers: whose password it is. */}
      <input type="text" name="username" autoComplete="username" value={user} readOnly hidden />
      {byLink ? (
        <p>You signed in by a one-time link, so the present password is not asked for.</p>
      ) : (
        <Field id="current" type="password" label="Present password" value={current} set={setCurrent} autoComplete="current-password" isRequired />
      )}
      <Field
        id="new-password"
        type="password"
        label="New password"
        value={password}
        set={setPassword}
        autoComplete="new-password"
        isRequired
        help={`At least ${SHORTEST} characters, and none of the well-known ones. All your other sessions end.`}
      />
      <Field id="again" type="password" label="Once more" value={again} set={setAgain} autoComplete="new-password" isRequired fault={fault} />
      <div>
        <Button type="submit" isDisabled={working || !password || password !== again || (!byLink && !current)} isLoading={working}>
          Set the password
        </Button>
      </div>
    </Form>
  )
}
