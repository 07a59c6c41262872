/** The fields of a registry: what it is, where it is, how it is signed in to. Only what its provider needs is asked for. */
import {
  Alert,
  ExpandableSection,
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  TextArea,
  TextInput,
} from '@patternfly/react-core'
import { useState } from 'react'
import { useQuery } from '@tanstack/react-query'

import { send } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { type Entered, HOSTS, methodOf, NAME, type Signing } from './form'
import type { Provider } from './model'

export interface FormProps {
  entered: Entered
  set: (changed: Partial<Entered>) => void
  provider: Provider | undefined
  /** The name stands in the path and cannot change. */
  existing?: boolean
  secret?: string
  setSecret?: (secret: string) => void
}

export function Where({ entered, set, provider, existing = false }: FormProps) {
  const { data: projects } = useQuery({
    queryKey: ['list', '/api/v1/projects', 'names'],
    queryFn: () => send<List<Document>>('/api/v1/projects', { query: { limit: 200 } }),
  })
  return (
    <>
      <Field id="registry-host" label="Host" required value={entered.host} set={(host) => set({ host })} placeholder="harbor.example.com" />
      <Field
        id="registry-path"
        label="Path"
        value={entered.path}
        set={(path) => set({ path })}
        help="It stands for everything at or below this path; empty is the whole host."
      />
      <Field
        id="registry-name"
        label="Name"
        required
        value={entered.name}
        set={(name) => set({ name })}
        disabled={existing}
        wrong={entered.name !== '' && !NAME.test(entered.name)}
        help={existing ? 'Names do not change; the title does.' : 'What documents and commands call it. It does not change.'}
      />
      <Field id="registry-title" label="Title" value={entered.title} set={(title) => set({ title })} help="What people call it." />
      {projects?.items.length ? (
        <FormGroup label="Project" fieldId="registry-project">
          <FormSelect id="registry-project" value={entered.project} onChange={(_, project) => set({ project })}>
            <FormSelectOption value="" label="nobody’s in particular" />
            {projects.items.map((one) => (
              <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={one.metadata.name} />
            ))}
          </FormSelect>
        </FormGroup>
      ) : null}
      {provider?.notes.map((note) => (
        <p key={note} className="fresh">
          {note}
        </p>
      ))}
    </>
  )
}

export function SignIn({ entered, set, provider, secret, setSecret }: FormProps) {
  if (!provider) return null
  const anonymous = provider.public
    ? 'limited by address, and refused in staging and production where the whole host is meant'
    : 'only what it shows to everybody'
  return (
    <Way
      id="registry"
      title="How it is signed in to"
      signing={entered}
      set={set}
      provider={provider}
      {...(provider.anonymous ? { nobody: ['Without signing in', anonymous] } : {})}
      {...(secret === undefined ? {} : { secret })}
      {...(setSecret ? { setSecret } : {})}
    />
  )
}

/** A second credential: what browses and checks needs other rights than what pulls. */
export function Management({ entered, set, provider }: FormProps) {
  if (!provider?.methods.length) return null
  return (
    <ExpandableSection toggleText="A second credential, to browse and check with">
      <p className="fresh">It is never delivered to a cluster. Its secret is set on the tab Credentials.</p>
      <Way
        id="management"
        title="How is signed in to browse"
        signing={entered.management}
        set={(changed) => set({ management: { ...entered.management, ...changed } })}
        provider={provider}
        nobody={['None', 'the credential that pulls browses, too']}
      />
    </ExpandableSection>
  )
}

interface WayProps {
  id: string
  title: string
  signing: Signing
  set: (changed: Partial<Signing>) => void
  provider: Provider
  /** What it is called where nobody signs in, and what that means. */
  nobody?: [string, string]
  secret?: string
  setSecret?: (secret: string) => void
}

function Way({ id, title, signing, set, provider, nobody, secret, setSecret }: WayProps) {
  const method = methodOf(provider, signing.method)
  return (
    <>
      {provider.methods.length ? (
        <FormGroup role="radiogroup" label={title} fieldId={`${id}-method`} isRequired={!nobody}>
          <div className="choices">
            {provider.methods.map((one) => (
              <Choice
                key={one.name}
                name={`${id}-method`}
                checked={signing.method === one.name}
                choose={() => set({ method: one.name })}
                title={one.title}
                about={[one.tokenLifeSeconds ? `tokens of ${Math.round(one.tokenLifeSeconds / 3600)} h are made from it` : '', one.advice].filter(Boolean).join('; ')}
              />
            ))}
            {nobody ? (
              <Choice name={`${id}-method`} checked={signing.method === ''} choose={() => set({ method: '' })} title={nobody[0]} about={nobody[1]} />
            ) : null}
          </div>
        </FormGroup>
      ) : null}
      {method?.fields.map((field) => (
        <Field
          key={field.name}
          id={`${id}-parameter-${field.name}`}
          label={field.label}
          required={field.required}
          value={signing.parameters[field.name] ?? ''}
          set={(value) => set({ parameters: { ...signing.parameters, [field.name]: value } })}
          placeholder={field.example}
          help={field.hint}
        />
      ))}
      {method && setSecret ? (
        <FormGroup label={method.secret} fieldId={`${id}-secret`} isRequired>
          {method.secret.startsWith('JSON') ? (
            <TextArea
              id={`${id}-secret`}
              className="masked"
              value={secret ?? ''}
              onChange={(_, text) => setSecret(text)}
              autoComplete="off"
              spellCheck={false}
              rows={4}
            />
          ) : (
            <TextInput
              id={`${id}-secret`}
              type="password"
              autoComplete="new-password"
              value={secret ?? ''}
              onChange={(_, text) => setSecret(text)}
            />
          )}
          <Help text="It goes in and is never shown again, not even to an administrator." />
        </FormGroup>
      ) : null}
      {method ? (
        <FormGroup label="It ends on" fieldId={`${id}-end`}>
          <TextInput id={`${id}-end`} type="date" value={signing.day} onChange={(_, day) => set({ day })} />
          <Help
            text={
              method.ends
                ? 'Such a credential can end: one without an end is refused in production.'
                : 'The provider knows no end of such credentials. Say when you want to be reminded to rotate it.'
            }
          />
        </FormGroup>
      ) : null}
      {method?.needs.length ? (
        <ExpandableSection toggleText="Least privileges it needs">
          <ul>
            {method.needs.map((one) => (
              <li key={one}>
                <code>{one}</code>
              </li>
            ))}
          </ul>
        </ExpandableSection>
      ) : null}
    </>
  )
}

export function Trust({ entered, set, provider }: FormProps) {
  const [open, expand] = useState<boolean | null>(null)
  // Who runs a registry of their own often has an authority of their own, too; a product's own service has neither.
  const own = !provider || !HOSTS[provider.name]
  return (
    <ExpandableSection toggleText="Certificates and token service" isExpanded={open ?? own} onToggle={(_, shown) => expand(shown)}>
      <FormGroup label="Certificate authority (PEM)" fieldId="registry-ca">
        <TextArea id="registry-ca" value={entered.caBundle} onChange={(_, caBundle) => set({ caBundle })} rows={4} spellCheck={false} />
        <Help text="Only certificates of this authority are then trusted for it." />
      </FormGroup>
      <Field
        id="registry-realm"
        label="Token service"
        value={entered.tokenRealm}
        set={(tokenRealm) => set({ tokenRealm })}
        placeholder="https://auth.example.com/token"
        help="Where the credential may be sent, if that is another host."
      />
      <div className="choices">
        <label className={entered.plainHTTP ? 'choice chosen' : 'choice'}>
          <input type="checkbox" checked={entered.plainHTTP} onChange={() => set({ plainHTTP: !entered.plainHTTP })} />
          <span>It has no TLS</span>
        </label>
        <label className={entered.insecureSkipVerify ? 'choice chosen' : 'choice'}>
          <input
            type="checkbox"
            checked={entered.insecureSkipVerify}
            onChange={() => set({ insecureSkipVerify: !entered.insecureSkipVerify })}
          />
          <span>Do not verify its certificate</span>
        </label>
      </div>
      {entered.plainHTTP || entered.insecureSkipVerify ? (
        <Alert variant="warning" isInline isPlain title="Whoever is between reads the credential and can replace images" />
      ) : null}
    </ExpandableSection>
  )
}

function Choice({ name, checked, choose, title, about }: { name: string; checked: boolean; choose: () => void; title: string; about?: string }) {
  return (
    <label className={checked ? 'choice chosen' : 'choice'}>
      <input type="radio" name={name} checked={checked} onChange={choose} />
      <span>
        {title}
        {about ? <span className="fresh"> {about}</span> : null}
      </span>
    </label>
  )
}

function Help({ text }: { text: string }) {
  return (
    <FormHelperText>
      <HelperText>
        <HelperTextItem>{text}</HelperTextItem>
      </HelperText>
    </FormHelperText>
  )
}

interface FieldProps {
  id: string
  label: string
  value: string
  set: (value: string) => void
  required?: boolean
  placeholder?: string
  help?: string
  disabled?: boolean
  wrong?: boolean
}

export function Field({ id, label, value, set, required = false, placeholder, help, disabled = false, wrong = false }: FieldProps) {
  return (
    <FormGroup label={label} fieldId={id} isRequired={required}>
      <TextInput
        id={id}
        value={value}
        onChange={(_, text) => set(text)}
        isRequired={required}
        isDisabled={disabled}
        validated={wrong ? 'error' : 'default'}
        autoComplete="off"
        spellCheck={false}
        {...(placeholder ? { placeholder: `for example ${placeholder}` } : {})}
      />
      {help ? <Help text={help} /> : null}
    </FormGroup>
  )
}
