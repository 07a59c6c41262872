/** A mark for each provider: its initials in a frame. Their own logos are theirs, and nothing is fetched from elsewhere. */
const MARKS: Record<string, string> = {
  acr: 'Az',
  artifactory: 'JF',
  'docker-hub': 'Dk',
  ecr: 'EC',
  'ecr-public': 'EP',
  gar: 'GA',
  generic: 'OCI',
  ghcr: 'GH',
  gitlab: 'GL',
  harbor: 'Hb',
  mcr: 'MS',
  nexus: 'Nx',
  proget: 'PG',
  quay: 'Qy',
}

export function ProviderMark({ name }: { name: string }) {
  return (
    <svg className="mark" viewBox="0 0 36 36" width="36" height="36" aria-hidden="true" focusable="false">
      <rect x="2" y="2" width="32" height="32" rx="6" fill="none" stroke="currentColor" strokeWidth="2" />
      <text x="18" y="23" textAnchor="middle" fontSize="13" fontWeight="700" fill="currentColor">
        {MARKS[name] ?? name.slice(0, 2).toUpperCase()}
      </text>
    </svg>
  )
}
