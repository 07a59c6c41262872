/** A field of a form with its help and what is wrong with it, both told to screen readers. */
import { FormGroup, HelperText, HelperTextItem, TextInput, type TextInputProps } from '@patternfly/react-core'

export interface FieldProps extends Omit<TextInputProps, 'id' | 'onChange' | 'value' | 'ref'> {
  id: string
  label: string
  value: string
  set: (text: string) => void
  help?: string
  fault?: string | undefined
}

export function Field({ id, label, value, set, help, fault, isRequired, ...rest }: FieldProps) {
  return (
    <FormGroup label={label} fieldId={id} isRequired={Boolean(isRequired)}>
      <TextInput
        id={id}
        value={value}
        onChange={(_, text) => set(text)}
        validated={fault ? 'error' : 'default'}
        aria-describedby={help || fault ? `${id}-help` : undefined}
        isRequired={Boolean(isRequired)}
        {...rest}
      />
      {help || fault ? (
        <HelperText id={`${id}-help`}>
          <HelperTextItem variant={fault ? 'error' : 'default'}>{fault ?? help}</HelperTextItem>
        </HelperText>
      ) : null}
    </FormGroup>
  )
}
