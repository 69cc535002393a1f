import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import './style.css';
import { App } from './shell';
import { start } from './signin';

function Root() {
  useEffect(() => { start(); }, []);
  return <App />;
}

render(<Root />, document.getElementById('app')!);
