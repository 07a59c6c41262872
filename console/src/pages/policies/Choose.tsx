/** Several of many: a list with boxes behind a button, with a field that narrows it, and what is chosen beside it. */
import {
  Badge,
  Label,
  LabelGroup,
  MenuSearch,
  MenuSearchInput,
  MenuToggle,
  SearchInput,
  Select,
  SelectList,
  SelectOption,
} from '@patternfly/react-core'
import WarningIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon'
import { useState, type ReactNode } from 'react'

export interface Option {
  value: string
  about?: ReactNode
  /** Why choosing it has a consequence: shown with a warning sign beside the name. */
  warning?: string | undefined
}

export interface ChooseProps {
  id: string
  /** What is chosen, in the plural: "Environment groups". */
  what: string
  options: Option[]
  chosen: string[]
  set: (chosen: string[]) => void
  /** What the list says where there is nothing to choose. */
  none?: ReactNode
}

const MOST_SHOWN = 100
const FEW = 8

export function Choose({ id, what, options, chosen, set, none }: ChooseProps) {
  const [open, show] = useState(false)
  const [text, type] = useState('')
  const found = options.filter((one) => one.value.toLowerCase().includes(text.toLowerCase()))
  const toggle = (value: string) => set(chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value])
  const warningOf = (value: string) => options.find((one) => one.value === value)?.warning
  return (
    <div className="choose">
      <Select
        role="menu"
        isOpen={open}
        selected={chosen}
        onSelect={(_, value) => toggle(String(value))}
        onOpenChange={show}
        isScrollable
        aria-label={what}
        toggle={(ref) => (
          <MenuToggle
            id={id}
            ref={ref}
            isExpanded={open}
            onClick={() => show(!open)}
            badge={chosen.length ? <Badge>{chosen.length}</Badge> : undefined}
          >
            Choose {what.toLowerCase()}
          </MenuToggle>
        )}
      >
        {options.length > FEW ? (
          <MenuSearch>
            <MenuSearchInput>
              <SearchInput aria-label={`Narrow ${what.toLowerCase()}`} value={text} onChange={(_, typed) => type(typed)} onClear={() => type('')} />
            </MenuSearchInput>
          </MenuSearch>
        ) : null}
        <SelectList>
          {found.slice(0, MOST_SHOWN).map((one) => (
            <SelectOption key={one.value} value={one.value} hasCheckbox isSelected={chosen.includes(one.value)} description={one.about}>
              {one.value}
              {one.warning ? <Warning text={one.warning} /> : null}
            </SelectOption>
          ))}
          {found.length > MOST_SHOWN ? <SelectOption isDisabled>and {found.length - MOST_SHOWN} more: type a part of the name</SelectOption> : null}
          {found.length ? null : <SelectOption isDisabled>{options.length ? 'Nothing is called like that' : (none ?? 'There is nothing to choose')}</SelectOption>}
        </SelectList>
      </Select>
      {chosen.length ? (
        <LabelGroup aria-label={`Chosen ${what.toLowerCase()}`} numLabels={20}>
          {chosen.map((value) => (
            <Label key={value} variant="outline" onClose={() => toggle(value)} closeBtnAriaLabel={`Take ${value} out`}>
              {value}
              {warningOf(value) ? <Warning text={warningOf(value) ?? ''} /> : null}
            </Label>
          ))}
        </LabelGroup>
      ) : null}
    </div>
  )
}

function Warning({ text }: { text: string }) {
  return (
    <span className="choose-warning">
      {' '}
      <WarningIcon role="img" aria-label="Warning" /> {text}
    </span>
  )
}
