import { Anchor, type AnchorProps, Button, type ButtonProps, NavLink, type NavLinkProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { AnchorHTMLAttributes, Ref } from 'react';

type Native = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof AnchorProps | 'color'> & {
  ref?: Ref<HTMLAnchorElement>;
};

/** Links within the console, in the looks of the component library. */
export const To = createLink((props: AnchorProps & Native) => <Anchor {...props} />);
export const ToButton = createLink(
  (props: ButtonProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof ButtonProps>) => (
    <Button component="a" {...props} />
  ),
);
export const ToNav = createLink(
  (props: NavLinkProps & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof NavLinkProps>) => (
    <NavLink component="a" {...props} />
  ),
);
