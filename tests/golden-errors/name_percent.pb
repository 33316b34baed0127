
:
xPlaceholder*
dtype0*
shape:

%s%n
%s%n%1000dx